#!/usr/bin/env bash
# Make a virtual environment with a build of llama-cpp-python for a GPU: install.sh VENV BACKEND
# Vulkan's driver in software, its compiler of shaders and its headers come from Debian's packages.
set -euo pipefail
venv=$1 backend=$2
arguments="-DGGML_${backend^^}=ON -DLLAVA_BUILD=OFF '-DCMAKE_PROJECT_llama.cpp_INCLUDE=$PWD/tools/llama.cmake'"

missing() {
    for package in g++ glslc spirv-headers libvulkan-dev mesa-vulkan-drivers; do
        dpkg-query --show --showformat '${db:Status-Status}' "$package" 2>/dev/null |
            grep -q '^installed$' || echo "$package"
    done
}

install_packages() {
    local packages root=
    mapfile -t packages < <(missing)
    [ ${#packages[@]} = 0 ] && return
    [ "$(id -u)" = 0 ] || root=sudo
    $root apt-get update
    $root apt-get install --yes --no-install-recommends "${packages[@]}"
}

# llama.cpp needs headers of this version at least, and Debian 12 has older ones.
headers_suffice() {
    local version
    version=$(sed -n 's/^#define VK_HEADER_VERSION //p' /usr/include/vulkan/vulkan_core.h)
    local complete
    complete=$(sed -n 's/^#define VK_HEADER_VERSION_COMPLETE.*(0, 1, \([0-9]*\), .*/\1/p' \
        /usr/include/vulkan/vulkan_core.h)
    [ "$complete" -gt 3 ] || [ "$version" -ge 272 ]
}

# Unpack the headers of Debian 13, from wherever this machine has its packages from.
newer_headers() {
    local folder=$1/vulkan origin
    mkdir -p "$folder"/{lists,archives}/partial
    origin=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' |
        grep -m 1 '/debian/$')
    echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $origin trixie main" \
        > "$folder/sources.list"
    local options=(
        -o Dir::Etc::SourceList="$folder/sources.list" -o Dir::Etc::SourceParts=/dev/null
        -o Dir::State::Lists="$folder/lists" -o Dir::Cache="$folder" -o APT::Sandbox::User=root
    )
    apt-get "${options[@]}" update
    (cd "$folder" && apt-get "${options[@]}" download libvulkan-dev)
    dpkg --extract "$folder"/libvulkan-dev_*.deb "$folder"
    arguments+=" -DVulkan_INCLUDE_DIR=$folder/usr/include"
}

if [ "$backend" = vulkan ] && command -v apt-get > /dev/null; then
    install_packages
    headers_suffice || newer_headers "$(cd "$venv" && pwd)"
fi

# pip's cache would give the build for the CPU, which has the same name.
CMAKE_ARGS=$arguments "$venv/bin/python" -m pip install --no-cache-dir \
    "$(sed -n 's/^  "\(llama-cpp-python[^"]*\)",$/\1/p' pyproject.toml)"
"$venv/bin/python" -m pip install --editable '.[test]'
