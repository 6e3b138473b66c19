"""The environment variables that the package reads, beside those for keys and base URLs in each schema's `x-env`."""

ENVIRONMENT = {
    "SEEDANCE_LEDGER": "The path of the ledger. Default: a file in the user's data folder.",
    "SEEDANCE_OUTPUTS": "The folder for videos. Default: seedance_outputs in the working folder.",
    "SEEDANCE_SIMULATOR": "The folder for the simulator's tasks. Default: one in the user's data folder.",
    "CI": "If set, no one is there to confirm a payment, so a budget is required.",
    "COLAB_GPU": "Set by Colab: videos are embedded, because Colab does not serve files.",
    "COLAB_RELEASE_TAG": "Set by Colab, as COLAB_GPU.",
    "VSCODE_PID": "Set by VS Code: videos are embedded, because it does not serve files.",
    "VSCODE_CWD": "Set by VS Code, as VSCODE_PID.",
    "JPY_SESSION_NAME": "Set by Jupyter: the notebook's path, from which a video's relative URL is made.",
}
"""What each variable does, once. `x-env` of a provider names those for its key and its base URL, such as `CRUN_API_KEY`."""
