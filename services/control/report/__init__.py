"""One week in full, from its manifests: in the terminal, as JSON, and as one HTML page kept in the lake.

facts       what a report says, as plain data (the JSON is exactly this)
gather      manifests, judgement and devices → facts
comparison  this week beside the weeks before: history, figures, movers, columns
cost        seconds, bytes and requests → money, at the prices of prices.toml
devices     the devices whose errors moved most, by a hash of their service tag
terminal    facts → tables
page        facts → HTML (page.html, page.css, charts)
publish     the page and the JSON into the lake
"""
