"""Analysis: what a meter, a microscope and a picture can say about sound. It knows nothing of the engine."""
