"""
The measurements of `massakoppi bench`, each beside a floor, peers or an optimum in the same run.

`lots` makes the masses, `filled` a database of many, `ground` the servers they are measured on,
`driven` a matcher without a process, `figures` what is told. A bench runs on a data folder of its
own and leaves nothing behind.
"""
