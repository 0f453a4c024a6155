"""The progress bar of everything that takes a while."""


def shown_progress(items, progress, description):
    """The items, behind a bar that `progress` shows or hides as in `fit`."""
    return progress_bar(progress, iterable=items, desc=description)


def progress_bar(progress, **settings):
    """A bar of tqdm that `progress` shows or hides; None shows it after three seconds."""
    from tqdm.auto import tqdm

    delay = 0 if progress else 3
    return tqdm(disable=progress is False, delay=delay, leave=False, **settings)
