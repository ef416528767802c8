"""A torch dataset of items as given."""

from __future__ import annotations

import torch


class Items(torch.utils.data.Dataset):
    """Items as given; an exception is raised."""

    def __init__(self, items, **attributes):
        self.items = items
        for name, value in attributes.items():
            setattr(self, name, value)

    def __len__(self):
        return len(self.items)

    def __getitem__(self, row):
        if isinstance(self.items[row], Exception):
            raise self.items[row]
        return self.items[row]
