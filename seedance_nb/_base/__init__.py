"""Words everybody speaks: values, problems, errors, the secret, HTML, the log. It imports no other folder."""
