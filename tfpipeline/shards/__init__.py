"""Work on any number of pictures, shard by shard, by any number of processes.

A plan lists the pictures of each shard once. A shard is a pure function of its list: it
is written whole, and a `.done.json` beside it comes last. Who computes a shard, when,
and how often changes no byte of it.
"""
