"""Query, plot and profile the flights that left New York City in 2013: the showcase of dash_statemanager.

Start it with `python -m demo_app`. Every value that the pages share is in a `ServerStore`: the browser holds
references of about a hundred bytes, while the joined DataFrame of up to 336,776 rows stays on the server.

    tables.py      which tables and columns there are: the whitelist of everything that becomes SQL
    data.py        the data, loaded once per process into DuckDB
    forms.py       the controls of the Query page
    query.py       a form of the Query page becomes SQL, a count, a DataFrame
    grid.py        slices of a DataFrame for the grid
    charts/        one module per chart; each returns a figure and the table of its marks
    summary.py     figures about every column, for the Profile page
    downloads.py   the DataFrame as CSV and Parquet
    jobs.py        where the join runs: in a process of its own, or in a thread
    theme.py       colours, Mantine theme, figure templates
    ui.py          small pieces that several pages use
    shell.py       header, navigation, stores: what stays while pages change
    pages/         query, plot, profile, state
"""
