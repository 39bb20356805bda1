# As distil has llama.cpp compiled, with the code that llama.cpp's own programs share.
include(${CMAKE_CURRENT_LIST_DIR}/../../tools/llama.cmake)
set(LLAMA_BUILD_COMMON ON)
