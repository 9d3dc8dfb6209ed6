"""ComfyUI nodes: load what was learnt, find it, take its mask or its cut-out.

Link this folder into ComfyUI's ``custom_nodes``, or write there a file with
``from persam.integrations.comfyui import *``.
"""

from persam.integrations.comfyui.nodes import (
    NODE_CLASS_MAPPINGS,
    NODE_DISPLAY_NAME_MAPPINGS,
)

__all__ = ["NODE_CLASS_MAPPINGS", "NODE_DISPLAY_NAME_MAPPINGS"]
