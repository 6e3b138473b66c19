"""The limits that a description states in prose, in English or Chinese, as rules with their exact quotes."""
