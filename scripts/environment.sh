# Sourced by the scripts: go to the repository, make sure uv is there. Needs only python3 and pip.
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export PATH="$PATH:$HOME/.local/bin:$(python3 -c 'import site; print(site.USER_BASE)')/bin"

install_uv() {
    if [ -n "${VIRTUAL_ENV:-}" ] && [ "$(command -v python3)" = "$VIRTUAL_ENV/bin/python3" ]; then
        python3 -m pip install --quiet uv
    else
        # PEP 668 closes a distribution's Python to pip; a package of the user's own does it no harm. Old pips lack the option.
        python3 -m pip install --quiet --user --break-system-packages uv 2>/dev/null || python3 -m pip install --quiet --user uv
    fi
}

if ! command -v uv >/dev/null; then
    echo "installing uv with pip" >&2
    python3 -m pip --version >/dev/null 2>&1 || {
        echo "python3 has no pip: install it (Debian: apt install python3-pip), or install uv by hand" >&2
        exit 1
    }
    install_uv
fi
command -v uv >/dev/null || {
    echo "uv was installed but is not on PATH: look for it with 'python3 -m pip show -f uv' and add its folder" >&2
    exit 1
}
