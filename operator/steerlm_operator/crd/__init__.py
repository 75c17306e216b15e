"""The CustomResourceDefinition, generated from the models of `api`. Pure.

`make gen` writes crds/steerlmruns.yaml from here. `steerlm lint --cluster` and `steerlm render`
compare files with it before a server does; the operator reads none of these modules.
"""
