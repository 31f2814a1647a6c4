"""The vocabulary: plain data, no behavior. Import from the module that has it."""
