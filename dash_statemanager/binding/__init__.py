"""The only folder that knows Dash's insides."""
