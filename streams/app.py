"""The app that `faust -A streams.app worker` runs; everything is configured by the environment."""

from schemas.settings import Settings
from streams.factory import create_app

app = create_app(Settings())
