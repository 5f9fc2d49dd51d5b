"""Our service without what bounds one client: uvicorn's own protocol in place of ours."""

from uvicorn.protocols.http.auto import AutoHTTPProtocol

from mlops_kit.core import project
from mlops_kit.serving import server

from ml_template.__main__ import PROJECT

project.use(PROJECT)
server.bounded = lambda pool: AutoHTTPProtocol
server.main([])
