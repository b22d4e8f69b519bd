// JavaScript of your own, with a reference that it found somewhere:
dash_clientside.statemanager.resolve(reference).then(rows => console.log(rows.length));

// or only a part of a table, as JSON or as Arrow:
fetch(`_dash-statemanager/value?reference=${reference.__store__}&columns=hour,celsius&offset=0&limit=10`)
  .then(answer => answer.json());
