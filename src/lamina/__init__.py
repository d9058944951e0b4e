"""Lamina: data and minutes in; a trained, honestly measured, portable deep model out.

    import lamina
    trained = lamina.train("image-classification", "photos/", minutes=5)
    print(trained.scores)
    for answer in lamina.predict("runs/photos", ["new.jpg"]):
        print(answer.line())

Nothing heavy is imported until it is used.
"""

__version__ = "0.1.0"

_VERBS = ("tasks", "sample", "data", "check", "train", "resume", "evaluate", "predict", "explain",
          "attack", "report", "compare")
__all__ = [*_VERBS, "load", "UserError", "__version__"]


def __getattr__(name: str):
    if name == "tasks":
        import lamina.tasks

        return lamina.tasks
    if name in _VERBS:
        from lamina import verbs

        return getattr(verbs, name)
    if name == "load":
        from lamina.artifact import load

        return load
    if name == "UserError":
        from lamina.errors import UserError

        return UserError
    raise AttributeError(f"module 'lamina' has no attribute {name!r}")


def __dir__():
    return sorted(__all__)
