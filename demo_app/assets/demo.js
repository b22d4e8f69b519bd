/* The few things that happen in the browser. */

window.dash_clientside = window.dash_clientside || {};

(function () {
    const REST = 120; // milliseconds without a change before the server is asked
    let latest = 0;

    function colorScheme() {
        return document.documentElement.getAttribute('data-mantine-color-scheme');
    }

    /* Whatever changes the scheme, the switch or the system, figures hear of it. */
    new MutationObserver(() => window.dash_clientside.set_props('color-scheme', {data: colorScheme()})).observe(
        document.documentElement,
        {attributeFilter: ['data-mantine-color-scheme']}
    );

    window.dash_clientside.demo = {
        /* The controls of the Query page as one form, once they have rested. */
        draft: async function (tables, columns, values, ids) {
            const mine = ++latest;
            await new Promise((resolve) => setTimeout(resolve, REST));
            if (mine !== latest || !tables || !columns) {
                return window.dash_clientside.no_update;
            }
            const filters = {};
            ids.forEach((id, i) => (filters[id.column] = values[i] === undefined ? null : values[i]));
            return {tables, columns, filters};
        },

        /* The ends of a range beside its name. */
        rangeText: function (range) {
            return range ? range.map((end) => end.toLocaleString('en-US', {maximumFractionDigits: 1})).join(' – ') : '';
        },

        /* Light or dark, as the page is drawn now. */
        colorScheme,

        /* How much the browser itself keeps for a store. */
        storedBytes: function (timestamp, store) {
            const kept = window.sessionStorage.getItem(store);
            return kept && kept !== 'null' ? `${new Blob([kept]).size} B` : '–';
        },
    };
})();
