"""The user's dataset is found inside torch's wrappers, and no property or len() of it is called on the way."""

from __future__ import annotations

from typing import Any

from gpuwatch.hook.source_code.wrapped_datasets import innermost


class Photos:
    def __len__(self) -> int:
        raise AssertionError("called")

    @property
    def dataset(self) -> Any:
        raise AssertionError("called")


def wrapper(**fields: Any) -> Any:
    """Return an object laid out as a dataset of torch's that wraps others."""
    made = type("Subset", (), {"__module__": "torch.utils.data.dataset"})()
    vars(made).update(fields)
    return made


def test_wrappers_of_torch_are_looked_into() -> None:
    photos = Photos()
    assert innermost(wrapper(dataset=wrapper(datasets=[photos, Photos()]))) is photos


def test_a_wrapper_of_the_users_is_the_users_code() -> None:
    mine = Photos()
    vars(mine)["datasets"] = [Photos()]
    assert innermost(mine) is mine


def test_a_wrapper_without_a_dataset_is_itself() -> None:
    empty = wrapper(datasets=[])
    assert innermost(empty) is empty


def test_an_object_without_fields_is_itself() -> None:
    assert innermost(range(3)) == range(3)
