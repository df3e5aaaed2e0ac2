-- The schema registry keeps its data in a database of its own on the same server. Runs once, when the volume is empty.
CREATE DATABASE registry;
