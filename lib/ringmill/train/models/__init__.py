"""Small Keras builders, one module each, found by its name: hyper-parameters as data, and a function that builds."""
