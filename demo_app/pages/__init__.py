"""The four pages. Each has a `register()` that adds it to the app, and callbacks that read and write stores."""
