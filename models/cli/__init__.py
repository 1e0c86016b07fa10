"""``gateway models``: one module for each family of commands.

Training, evaluation and export need the training extra (``make train-setup``); the running service does not.
"""
