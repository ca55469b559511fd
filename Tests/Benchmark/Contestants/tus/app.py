"""tuspyserver as its documentation sets it up, without the middleware that only a page of another origin needs."""

import os

from fastapi import FastAPI
from tuspyserver import create_tus_router

app = FastAPI()
app.include_router(create_tus_router(files_dir=os.environ["UPLOAD_DIR"]))
