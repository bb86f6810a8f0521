"""From stitched images to a published dataset: one folder a stage, each with its verb in `cli.py` where it has one.

The stages in the order in which a study meets them:

    simulate  images, masks and truth to try everything on
    segment   images -> masks
    cutting   arrays -> crops and measurements
    pieces    one image -> its rows and a receipt
    shards    pieces -> Parquet files, splits, order
    card      what a reader is told: README.md, statistics, Croissant
    build     all of these, resumed, as one dataset folder
    verify    is it whole?
    analysis  what is in it: statistics, representatives, mosaics
    upload    to the Hub
    archive   zips for a repository
    deposit   to Zenodo

`workers` runs their tasks. What builder shares with the other parts lies in `nucleusnet_core`; a new stage is a new
folder and its verb.
"""
