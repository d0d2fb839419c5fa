"""Local servers that hold to the NIMs' wire contracts, with faults to switch on. Fixtures: no model is inside."""

from tests.contract_server.families import Family, HealthNim
from tests.contract_server.llm import LlmNim
from tests.contract_server.maisi import MaisiNim
from tests.contract_server.retrieval import EmbedNim, RerankNim
from tests.contract_server.server import ContractServer
from tests.contract_server.vilam3 import VisionNim
from tests.contract_server.vilam3_reference import ReferenceVila
from tests.contract_server.vista3d import Labeller, Vista3dNim
from tests.contract_server.working import Work, WorkingNim

__all__ = [
    "ContractServer",
    "EmbedNim",
    "Family",
    "HealthNim",
    "Labeller",
    "LlmNim",
    "MaisiNim",
    "ReferenceVila",
    "RerankNim",
    "VisionNim",
    "Vista3dNim",
    "Work",
    "WorkingNim",
]
