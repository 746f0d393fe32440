"""TFLite flatbuffer -> Program, and the NumPy integer twin that runs one."""
