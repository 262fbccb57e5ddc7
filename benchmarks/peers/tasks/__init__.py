"""One module for each piece of work. FORMULATIONS names the ways to do it; each takes the inputs and options and gives a
function without arguments that does the work once and returns its results by name."""
