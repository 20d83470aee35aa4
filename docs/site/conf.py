"""Sphinx configuration of the site; `make site` builds it, `docs/site/build.py` gathers its pages."""

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parents[1])]

project, author = "semdf", "the semdf authors"
root_doc = "index"
exclude_patterns = ["**/.ipynb_checkpoints"]

extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "mathml", "figures", "docstrings", "signatures"]

# notebooks are shown as they were executed; nothing runs here
nb_execution_mode = "off"
nb_merge_streams = True
nb_ipywidgets_js = {}
nb_code_prompt_show, nb_code_prompt_hide = "Show the solution", "Hide the solution"
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3

add_module_names = False
napoleon_use_ivar = True
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_default_options = {"exclude-members": "model_config"}
default_role = "code"
python_maximum_signature_line_length = 100
# of several classes of one name, an annotation links to the first
suppress_warnings = ["misc.highlighting_failure", "ref.python"]

html_theme = "sphinx_book_theme"
html_title = "semdf"
html_math_renderer = "mathml"
html_static_path = [str(HERE / "_static")]
html_css_files = ["site.css"]
html_favicon = str(HERE / "_static" / "icon.svg")
html_context = {"default_mode": "auto"}
html_copy_source = False
html_domain_indices = html_use_index = False
html_theme_options = {
    "home_page_in_toc": True,
    "navbar_persistent": [],
    "show_navbar_depth": 1,
    "show_toc_level": 2,
    "use_download_button": False,
    "use_fullscreen_button": False,
}
