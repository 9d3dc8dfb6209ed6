"""The methods: how an object is learnt from one picture."""
