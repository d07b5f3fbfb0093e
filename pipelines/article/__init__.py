"""The article that advcore is built from: what it says, in its order, and what measures it."""
