"""Patterns: which groups of calls become which inference layers.

A pattern is a module with two functions: `matches` says whether a group is of its kind; `lower`
calls `builder.put` for the last node of the group, or raises `StaysFloat`.
"""
