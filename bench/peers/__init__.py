"""The same work as the product's three stages, as people would write it with other tools.

Each peer does the core of the contract: rows without a device are left out; pn is trimmed and partitions; the time is
the first of TimeStamp, LogTime, ts and eventdate that can be read and lies in the week's window; the key is a hash of
`ev` without its volatile fields, or EventId where there is no TimeStamp; of rows with the same device and key the
earliest stays; device features and errors come from what stays. None sorts its files, audits them or keeps a ledger.
"""
