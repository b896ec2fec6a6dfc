"""
The published language: what every service, and everyone who tells us something, must mean alike.

*materials* names what is moved, with densities and where they come from; *units* turns what was
told into tonnes; *quality* orders contamination, suitability and frost; *uses* says what may serve
what; *factors* keeps emissions, prices and what a tonne meets without coordination; *distance*
turns a straight line into road kilometres; *enumerations* keeps the codes and their names in three
languages; *regions* reads a region as data; *identifiers* checks business ids; *likelihood* says
how surely a forecast comes about; *months* spreads whole numbers over days and months; *areas* says
what waiting and working cost.

*contamination* makes a class of laboratory values; *soils* reads soil codes in their system;
*sulphate* says what screening suggests; *papers* names what a match asks to be shown; *rules* knows
which rules are in force on a day, *clocks* how long a mass may be stored.

*defaults* lists every number that results rest on, *overrides* reads what an installation set
instead. *provenance* says where a number comes from, *tables* reads the data files, *errors* says
what a refusal looks like.

Data and pure functions only: nothing here waits, asks a clock or opens a connection.
"""
