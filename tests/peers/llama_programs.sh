#!/bin/sh
# Compiles llama.cpp's own programs, from the source that llama-cpp-python was compiled from.
#
#   tests/peers/llama_programs.sh PYTHON FOLDER
#
# They are in FOLDER/bin then. PYTHON is that of the environment with llama-cpp-python and CMake.
set -eu
python=$1
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$2"
folder=$(cd "$2" && pwd)
programs="llama-bench llama-batched-bench llama-perplexity llama-server llama-quantize llama-imatrix"
version=$("$python" -c 'from importlib.metadata import version; print(version("llama-cpp-python"))')
if [ "$(cat "$folder/version" 2>/dev/null)" = "$version" ]; then
    touch "$folder/version"
    exit
fi
PATH=$(dirname "$python"):$PATH
"$python" -m pip download --quiet --no-deps --no-binary llama-cpp-python --dest "$folder" \
    "llama-cpp-python==$version"
tar -xzf "$folder/llama_cpp_python-$version.tar.gz" -C "$folder"
rm "$folder/llama_cpp_python-$version.tar.gz"
cmake -G Ninja -S "$folder/llama_cpp_python-$version/vendor/llama.cpp" -B "$folder" \
    -DCMAKE_BUILD_TYPE=Release -DLLAMA_BUILD_TESTS=OFF -DLLAMA_BUILD_EXAMPLES=OFF \
    -DLLAMA_BUILD_UI=OFF -DLLAMA_USE_PREBUILT_UI=OFF -DLLAMA_OPENSSL=OFF \
    "-DCMAKE_PROJECT_llama.cpp_INCLUDE=$here/llama.cmake"
# shellcheck disable=SC2086
cmake --build "$folder" --target $programs
echo "$version" >"$folder/version"
