/* The page's side of ServerStore: clientside callbacks see values where the browser holds references.
 *
 * Clientside callbacks that read or write a property "data" are pointed at `dash_clientside._dash_statemanager`,
 * which resolves the references among their arguments and then calls the original: at once where all values are
 * known, else with a promise. A version never changes, so what was fetched once is kept.
 */
(function () {
    'use strict';
    var BASE = '__store__', CHAIN = '__patches__', CARRIED = '__value__', KEPT = 64;
    var known = new Map(), pending = new Map();

    /** Looked up each time: scripts in assets often put another object in its place. */
    function clientside() {
        return (window.dash_clientside = window.dash_clientside || {});
    }

    function isReference(value) {
        return Boolean(value) && typeof value === 'object' && !Array.isArray(value) &&
            (CHAIN in value || (BASE in value && Object.keys(value).every(function (key) {
                return key === BASE || key === CARRIED;
            })));
    }

    function prefix() {
        return JSON.parse(document.getElementById('_dash-config').textContent).requests_pathname_prefix;
    }

    function request(reference) {
        var url = prefix() + '_dash-statemanager/value';
        if (CHAIN in reference || CARRIED in reference) {
            return fetch(url, {
                method: 'POST',
                credentials: 'same-origin',
                headers: {'Content-Type': 'application/json'},
                body: JSON.stringify({reference: reference})
            });
        }
        return fetch(url + '?reference=' + encodeURIComponent(reference[BASE]), {credentials: 'same-origin'});
    }

    function keep(key, value) {
        known.set(key, value);
        if (known.size > KEPT) {
            known.delete(known.keys().next().value);
        }
        return value;
    }

    function load(key, reference) {
        if (!pending.has(key)) {
            var loading = request(reference).then(function (response) {
                if (!response.ok) {
                    throw new Error('ServerStore: the value could not be read (HTTP ' + response.status + ')');
                }
                return response.json();
            });
            pending.set(key, loading.then(keep.bind(null, key)).finally(function () { pending.delete(key); }));
        }
        return pending.get(key);
    }

    /** The value of a reference: itself where it is known already, else a promise. */
    function look(value) {
        if (Array.isArray(value) && value.some(isReference)) {
            var items = value.map(look);
            return items.some(isPromise) ? Promise.all(items) : items;
        }
        if (!isReference(value)) {
            return value;
        }
        var key = JSON.stringify(value);
        return known.has(key) ? known.get(key) : load(key, value);
    }

    function isPromise(value) {
        return Boolean(value) && typeof value.then === 'function';
    }

    /** Calls `then` with the values of a list, at once where none is a promise. */
    function whenAll(values, then) {
        return values.some(isPromise) ? Promise.all(values).then(then) : then(values);
    }

    function specs(list) {
        return (list || []).reduce(function (all, spec) { return all.concat(spec); }, []);
    }

    function propId(spec) {
        var id = spec.id;
        if (typeof id === 'object') {
            id = '{' + Object.keys(id).sort().map(function (key) {
                return JSON.stringify(key) + ':' + JSON.stringify(id[key]);
            }).join(',') + '}';
        }
        return id + '.' + spec.property;
    }

    /** The callback's context with values in place of references. */
    function resolved(context, values) {
        function replace(all) {
            return all && Object.fromEntries(Object.entries(all).map(function (pair) {
                return [pair[0], values.has(pair[0]) ? values.get(pair[0]) : pair[1]];
            }));
        }
        function replaceSpecs(list) {
            return list && list.map(function (spec) {
                if (Array.isArray(spec)) {
                    return replaceSpecs(spec);
                }
                return values.has(propId(spec)) ? Object.assign({}, spec, {value: values.get(propId(spec))}) : spec;
            });
        }
        return Object.assign({}, context, {
            inputs: replace(context.inputs),
            states: replace(context.states),
            inputs_list: replaceSpecs(context.inputs_list),
            states_list: replaceSpecs(context.states_list),
            triggered: context.triggered.map(function (item) {
                return values.has(item.prop_id) ? Object.assign({}, item, {value: values.get(item.prop_id)}) : item;
            })
        });
    }

    /** A component as the page has it now. Dash itself tells since 3.0; before, what its renderer keeps does. */
    function component(id) {
        var api = window.dash_component_api;
        return (api ? api.getLayout(id) : fromStores(id)) || {};
    }

    function fromStores(id) {
        return (window.dash_stores || []).map(function (store) {
            var state = store.getState(), path = pathOf(state.paths, id);
            return path && path.reduce(function (part, step) { return part && part[step]; }, state.layout);
        }).find(Boolean);
    }

    function pathOf(paths, id) {
        if (typeof id !== 'object') {
            return paths.strs[id];
        }
        var keys = Object.keys(id).sort();
        var found = (paths.objs[keys.join(',')] || []).find(function (candidate) {
            return keys.every(function (key, i) { return candidate.values[i] === id[key]; });
        });
        return found && found.path;
    }

    /** What a store asks of this script: to leave its `reference`, or to be `sealed`. */
    function rules(id) {
        return component(id).statemanager || {};
    }

    /** An argument with values for references, item by item where it is that of many components. */
    function argument(value, spec) {
        if (Array.isArray(spec)) {
            return Array.isArray(value) && value.some(isReference)
                ? whenAll(value.map(function (item, i) { return argument(item, spec[i]); }), function (items) { return items; })
                : value;
        }
        return isReference(value) && rules(spec.id).reference ? value : look(value);
    }

    function warn(value, id) {
        if (value !== undefined && value !== null && value !== clientside().no_update && !isReference(value)) {
            console.error('ServerStore: the server refuses what code in the browser wrote to the sealed store ' +
                JSON.stringify(id) + ': only Python callbacks may write to it');
        }
    }

    /** A patch that was made in the browser joins the chain of a reference as a link of its own. */
    function outgoing(value, id, property) {
        if (property.split('@')[0] !== 'data') {
            return value;
        }
        if (rules(id).sealed) {
            warn(value, id);
        }
        if (!value || !value.__dash_patch_update || !isReference((component(id).props || {}).data)) {
            return value;
        }
        return {__dash_patch_update: '__dash_patch_update', operations: [
            {operation: 'Append', location: [CHAIN], params: {value: {ops: value.operations}}}
        ]};
    }

    function outgoingAll(value, outputs) {
        if (Array.isArray(outputs)) {
            return Array.isArray(value) ? value.map(function (item, i) { return outgoingAll(item, outputs[i]); }) : value;
        }
        return outputs ? outgoing(value, outputs.id, outputs.property) : value;
    }

    function hookSetProps() {
        var dc = clientside(), original = dc.set_props;
        if (!original || original.statemanager) {
            return;
        }
        dc.set_props = function (id, props) {
            return original(id, Object.fromEntries(Object.entries(props).map(function (pair) {
                return [pair[0], outgoing(pair[1], id, pair[0])];
            })));
        };
        dc.set_props.statemanager = true;
    }

    function call(original, self, args) {
        hookSetProps();
        var dc = clientside(), context = dc.callback_context;
        var all = specs(context.inputs_list).concat(specs(context.states_list));
        var held = all.filter(function (spec) { return isReference(spec.value) && !rules(spec.id).reference; });
        var given = (context.inputs_list || []).concat(context.states_list || []);
        function finish(value) {
            return outgoingAll(value, context.outputs_list);
        }
        function run(values) {
            var before = dc.callback_context, result;
            if (held.length) {
                var byProp = new Map(held.map(function (spec, i) { return [propId(spec), values[args.length + i]]; }));
                dc.callback_context = resolved(context, byProp);
            }
            try {
                result = original.apply(self, values.slice(0, args.length));
            } finally {
                dc.callback_context = before;
            }
            return isPromise(result) ? result.then(finish) : finish(result);
        }
        var known = args.map(function (value, i) { return given[i] ? argument(value, given[i]) : look(value); });
        return whenAll(known.concat(held.map(function (spec) { return look(spec.value); })), run);
    }

    clientside()._dash_statemanager = new Proxy({}, {
        get: function (_, name) {
            return function () {
                var cut = name.indexOf('/'), namespace = clientside()[name.slice(0, cut)];
                return call(namespace[name.slice(cut + 1)], namespace, Array.from(arguments));
            };
        }
    });

    clientside().statemanager = {
        /** A promise for the value of a store's `data`, for JavaScript of your own; other values pass unchanged. */
        resolve: function (reference) {
            return Promise.resolve(look(reference));
        }
    };
})();
