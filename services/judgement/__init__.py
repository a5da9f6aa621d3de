"""What is wrong with a week's data, by fixed limits and by its own history, and where that comes from.

Gates (services/runtime/gates.py) stop a publication; what is judged here was published, and calls a person.
"""
