"""A lake's weeks judged by the settings; the rules stand in services/judgement."""

from services.judgement.causes import Cause
from services.judgement.judge import Judgement
from services.judgement.judge import judge as judge_by_limits
from services.judgement.rules import Finding
from services.lake.store import Store
from services.runtime.settings import Settings

__all__ = ["Cause", "Finding", "Judgement", "judge"]


def judge(settings: Settings, lake: Store, week: str) -> Judgement:
    """What is wrong with a published week's data, and where it comes from."""
    return judge_by_limits(settings.limits(), lake, week)
