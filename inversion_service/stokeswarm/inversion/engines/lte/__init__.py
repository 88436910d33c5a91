"""The embedded engine: depth-stratified inversion of lines formed in local thermodynamic equilibrium."""
