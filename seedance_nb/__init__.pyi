# Written by tests/typing/stub.py: do not edit. The types of the package, with the fields of the packaged models.
from collections.abc import Mapping
from datetime import date
from typing import Any, Literal, TypedDict, Unpack, overload

from seedance_nb._api import asset as asset, balance as balance, compare as compare, form as form, gallery as gallery, model as model, models as models, simulate as simulate, spending as spending, storyboard as storyboard, sweep as sweep, takes as takes, upload as upload
from seedance_nb._base.errors import InvalidInput as InvalidInput, KeyWarning as KeyWarning, LedgerError as LedgerError, LimitWarning as LimitWarning, MediaError as MediaError, MediaWarning as MediaWarning, NoCredits as NoCredits, OverBudget as OverBudget, RateLimited as RateLimited, Refused as Refused, SeedanceError as SeedanceError, SpecError as SpecError, TaskFailed as TaskFailed, Unauthorized as Unauthorized, Unavailable as Unavailable, UnknownOutcome as UnknownOutcome, Unreachable as Unreachable, WaitTimeout as WaitTimeout
from seedance_nb._base.problem import Problem as Problem
from seedance_nb._check.price import Estimate
from seedance_nb._document.load import spec as spec
from seedance_nb._document.spec import Spec as Spec
from seedance_nb._ledger.repair import repair_ledger as repair_ledger
from seedance_nb._ledger.row import Row
from seedance_nb._media.preflight import Report
from seedance_nb._notebook.clip import open as open
from seedance_nb._notebook.compare import Comparison as Comparison, as_completed as as_completed
from seedance_nb._notebook.panel import Panel
from seedance_nb._notebook.storyboard import Storyboard as Storyboard
from seedance_nb._provider.key_sources import ask_key as ask_key
from seedance_nb._session.session import Document, Session as Session
from seedance_nb._task.display.video import Video as Video, export as export, grid as grid
from seedance_nb._task.engine import nest_asyncio as nest_asyncio
from seedance_nb._task.task import Task as Task, Tasks

errors: Any
__version__: str
__all__: list[str]
def load_ipython_extension(shell: Any) -> None: ...

class _CrunSeedance10ProT2V(TypedDict, total=False):
    prompt: str
    resolution: Literal["480p", "720p", "1080p"] | str
    aspect_ratio: Literal["16:9", "4:3", "1:1", "3:4", "9:16", "21:9"] | str
    duration: Literal[2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12] | int
    camera_fixed: bool
    return_last_frame: bool
    callback_url: str

class _CrunSeedance20FastR2V(TypedDict, total=False):
    prompt: str
    reference_images: list[str]
    reference_videos: list[str]
    reference_audios: list[str]
    audio: bool
    resolution: Literal["480p", "720p"]
    aspect_ratio: Literal["1:1", "9:16", "16:9", "3:4", "4:3", "21:9", "auto"]
    duration: Literal[4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15] | int
    callback_url: str
    return_last_frame: bool

class _CrunSeedance20I2V(TypedDict, total=False):
    prompt: str
    img_urls: list[str]
    resolution: Literal["480p", "720p", "1080p"] | str
    aspect_ratio: Literal["1:1", "9:16", "16:9", "3:4", "4:3", "21:9", "auto"] | str
    duration: Literal[4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15] | int
    audio: bool
    return_last_frame: bool
    callback_url: str

class _Seedance2ProSeedance20I2V(TypedDict, total=False):
    urls: list[str]
    prompt: str
    resolution: Literal["1280x720", "720p"] | str
    duration: Literal["4s", "5s", "6s", "7s", "8s", "9s", "10s", "11s", "12s", "13s", "14s", "15s"] | str
    callBackUrl: str

class _VastnumDoubaoSeedance20(TypedDict, total=False):
    prompt: str
    images: list[str]
    videos: list[str]
    audios: list[str]
    generate_audio: bool
    resolution: Literal["480p", "720p", "1080p", "4k"] | str
    ratio: Literal["16:9", "4:3", "1:1", "3:4", "9:16", "21:9", "adaptive"] | str
    duration: Literal[4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, -1] | int
    watermark: bool

@overload
def check(document: Literal["crun/seedance-1.0-pro-t2v"], /, *, extra: Mapping[str, Any] | None = ..., **fields: Unpack[_CrunSeedance10ProT2V]) -> tuple[Problem, ...]: ...
@overload
def check(document: Literal["crun/seedance-2.0-fast-r2v"], /, *, extra: Mapping[str, Any] | None = ..., **fields: Unpack[_CrunSeedance20FastR2V]) -> tuple[Problem, ...]: ...
@overload
def check(document: Literal["crun/seedance-2.0-i2v"], /, *, extra: Mapping[str, Any] | None = ..., **fields: Unpack[_CrunSeedance20I2V]) -> tuple[Problem, ...]: ...
@overload
def check(document: Literal["seedance2-pro/seedance-20-i2v"], /, *, extra: Mapping[str, Any] | None = ..., **fields: Unpack[_Seedance2ProSeedance20I2V]) -> tuple[Problem, ...]: ...
@overload
def check(document: Literal["vastnum/doubao-seedance-2.0"], /, *, extra: Mapping[str, Any] | None = ..., **fields: Unpack[_VastnumDoubaoSeedance20]) -> tuple[Problem, ...]: ...
@overload
def check(document: Document, /, *, extra: Mapping[str, Any] | None = ..., **fields: Any) -> tuple[Problem, ...]: ...

@overload
def estimate(document: Literal["crun/seedance-1.0-pro-t2v"], /, *, api_key: str | None = ..., base_url: str | None = ..., **fields: Unpack[_CrunSeedance10ProT2V]) -> Estimate: ...
@overload
def estimate(document: Literal["crun/seedance-2.0-fast-r2v"], /, *, api_key: str | None = ..., base_url: str | None = ..., **fields: Unpack[_CrunSeedance20FastR2V]) -> Estimate: ...
@overload
def estimate(document: Literal["crun/seedance-2.0-i2v"], /, *, api_key: str | None = ..., base_url: str | None = ..., **fields: Unpack[_CrunSeedance20I2V]) -> Estimate: ...
@overload
def estimate(document: Literal["seedance2-pro/seedance-20-i2v"], /, *, api_key: str | None = ..., base_url: str | None = ..., **fields: Unpack[_Seedance2ProSeedance20I2V]) -> Estimate: ...
@overload
def estimate(document: Literal["vastnum/doubao-seedance-2.0"], /, *, api_key: str | None = ..., base_url: str | None = ..., **fields: Unpack[_VastnumDoubaoSeedance20]) -> Estimate: ...
@overload
def estimate(document: Document, /, *, api_key: str | None = ..., base_url: str | None = ..., **fields: Any) -> Estimate: ...

@overload
def generate(document: Literal["crun/seedance-1.0-pro-t2v"], /, *, timeout: float | None = ..., progress: bool | None = ..., take: int = ..., extra: Mapping[str, Any] | None = ..., preflight: bool | None = ..., budget: float | None = ..., api_key: str | None = ..., base_url: str | None = ..., simulate: bool | None = ..., **fields: Unpack[_CrunSeedance10ProT2V]) -> Video: ...
@overload
def generate(document: Literal["crun/seedance-2.0-fast-r2v"], /, *, timeout: float | None = ..., progress: bool | None = ..., take: int = ..., extra: Mapping[str, Any] | None = ..., preflight: bool | None = ..., budget: float | None = ..., api_key: str | None = ..., base_url: str | None = ..., simulate: bool | None = ..., **fields: Unpack[_CrunSeedance20FastR2V]) -> Video: ...
@overload
def generate(document: Literal["crun/seedance-2.0-i2v"], /, *, timeout: float | None = ..., progress: bool | None = ..., take: int = ..., extra: Mapping[str, Any] | None = ..., preflight: bool | None = ..., budget: float | None = ..., api_key: str | None = ..., base_url: str | None = ..., simulate: bool | None = ..., **fields: Unpack[_CrunSeedance20I2V]) -> Video: ...
@overload
def generate(document: Literal["seedance2-pro/seedance-20-i2v"], /, *, timeout: float | None = ..., progress: bool | None = ..., take: int = ..., extra: Mapping[str, Any] | None = ..., preflight: bool | None = ..., budget: float | None = ..., api_key: str | None = ..., base_url: str | None = ..., simulate: bool | None = ..., **fields: Unpack[_Seedance2ProSeedance20I2V]) -> Video: ...
@overload
def generate(document: Literal["vastnum/doubao-seedance-2.0"], /, *, timeout: float | None = ..., progress: bool | None = ..., take: int = ..., extra: Mapping[str, Any] | None = ..., preflight: bool | None = ..., budget: float | None = ..., api_key: str | None = ..., base_url: str | None = ..., simulate: bool | None = ..., **fields: Unpack[_VastnumDoubaoSeedance20]) -> Video: ...
@overload
def generate(document: Document, /, *, timeout: float | None = ..., progress: bool | None = ..., take: int = ..., extra: Mapping[str, Any] | None = ..., preflight: bool | None = ..., budget: float | None = ..., api_key: str | None = ..., base_url: str | None = ..., simulate: bool | None = ..., **fields: Any) -> Video: ...

@overload
def panel(document: Literal["crun/seedance-1.0-pro-t2v"], /, *, budget: float | None = ..., api_key: str | None = ..., base_url: str | None = ..., simulate: bool | None = ..., **fields: Unpack[_CrunSeedance10ProT2V]) -> Panel: ...
@overload
def panel(document: Literal["crun/seedance-2.0-fast-r2v"], /, *, budget: float | None = ..., api_key: str | None = ..., base_url: str | None = ..., simulate: bool | None = ..., **fields: Unpack[_CrunSeedance20FastR2V]) -> Panel: ...
@overload
def panel(document: Literal["crun/seedance-2.0-i2v"], /, *, budget: float | None = ..., api_key: str | None = ..., base_url: str | None = ..., simulate: bool | None = ..., **fields: Unpack[_CrunSeedance20I2V]) -> Panel: ...
@overload
def panel(document: Literal["seedance2-pro/seedance-20-i2v"], /, *, budget: float | None = ..., api_key: str | None = ..., base_url: str | None = ..., simulate: bool | None = ..., **fields: Unpack[_Seedance2ProSeedance20I2V]) -> Panel: ...
@overload
def panel(document: Literal["vastnum/doubao-seedance-2.0"], /, *, budget: float | None = ..., api_key: str | None = ..., base_url: str | None = ..., simulate: bool | None = ..., **fields: Unpack[_VastnumDoubaoSeedance20]) -> Panel: ...
@overload
def panel(document: Document, /, *, budget: float | None = ..., api_key: str | None = ..., base_url: str | None = ..., simulate: bool | None = ..., **fields: Any) -> Panel: ...

@overload
def preflight(document: Literal["crun/seedance-1.0-pro-t2v"], /, *, base_url: str | None = ..., **fields: Unpack[_CrunSeedance10ProT2V]) -> Report: ...
@overload
def preflight(document: Literal["crun/seedance-2.0-fast-r2v"], /, *, base_url: str | None = ..., **fields: Unpack[_CrunSeedance20FastR2V]) -> Report: ...
@overload
def preflight(document: Literal["crun/seedance-2.0-i2v"], /, *, base_url: str | None = ..., **fields: Unpack[_CrunSeedance20I2V]) -> Report: ...
@overload
def preflight(document: Literal["seedance2-pro/seedance-20-i2v"], /, *, base_url: str | None = ..., **fields: Unpack[_Seedance2ProSeedance20I2V]) -> Report: ...
@overload
def preflight(document: Literal["vastnum/doubao-seedance-2.0"], /, *, base_url: str | None = ..., **fields: Unpack[_VastnumDoubaoSeedance20]) -> Report: ...
@overload
def preflight(document: Document, /, *, base_url: str | None = ..., **fields: Any) -> Report: ...

@overload
def submit(document: Literal["crun/seedance-1.0-pro-t2v"], /, *, take: int = ..., extra: Mapping[str, Any] | None = ..., preflight: bool | None = ..., budget: float | None = ..., api_key: str | None = ..., base_url: str | None = ..., simulate: bool | None = ..., **fields: Unpack[_CrunSeedance10ProT2V]) -> Task: ...
@overload
def submit(document: Literal["crun/seedance-2.0-fast-r2v"], /, *, take: int = ..., extra: Mapping[str, Any] | None = ..., preflight: bool | None = ..., budget: float | None = ..., api_key: str | None = ..., base_url: str | None = ..., simulate: bool | None = ..., **fields: Unpack[_CrunSeedance20FastR2V]) -> Task: ...
@overload
def submit(document: Literal["crun/seedance-2.0-i2v"], /, *, take: int = ..., extra: Mapping[str, Any] | None = ..., preflight: bool | None = ..., budget: float | None = ..., api_key: str | None = ..., base_url: str | None = ..., simulate: bool | None = ..., **fields: Unpack[_CrunSeedance20I2V]) -> Task: ...
@overload
def submit(document: Literal["seedance2-pro/seedance-20-i2v"], /, *, take: int = ..., extra: Mapping[str, Any] | None = ..., preflight: bool | None = ..., budget: float | None = ..., api_key: str | None = ..., base_url: str | None = ..., simulate: bool | None = ..., **fields: Unpack[_Seedance2ProSeedance20I2V]) -> Task: ...
@overload
def submit(document: Literal["vastnum/doubao-seedance-2.0"], /, *, take: int = ..., extra: Mapping[str, Any] | None = ..., preflight: bool | None = ..., budget: float | None = ..., api_key: str | None = ..., base_url: str | None = ..., simulate: bool | None = ..., **fields: Unpack[_VastnumDoubaoSeedance20]) -> Task: ...
@overload
def submit(document: Document, /, *, take: int = ..., extra: Mapping[str, Any] | None = ..., preflight: bool | None = ..., budget: float | None = ..., api_key: str | None = ..., base_url: str | None = ..., simulate: bool | None = ..., **fields: Any) -> Task: ...

def callback(payload: Mapping[str, Any] | str | bytes, /, *, document: Document | None = ..., api_key: str | None = ...) -> Task: ...
def task(name: str | int | Row | Task, /, *, document: Document | None = ..., api_key: str | None = ..., base_url: str | None = ...) -> Task: ...
def tasks(limit: int = ..., *, find: str = ..., day: date | str | None = ..., everyone: bool = ...) -> Tasks: ...
