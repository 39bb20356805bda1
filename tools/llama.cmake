# How distil has llama.cpp compiled; CMake includes this after llama.cpp's own `project()`.

# Code that only llama.cpp's programs use; it takes more than half of the time.
set(LLAMA_BUILD_COMMON OFF)

# GCC before 13.3 drops the stores to the tile configuration that AMX code loads (GCC bug 114098):
# the first matrix multiplication on a processor with AMX ends in a segmentation fault.
include(CheckCXXCompilerFlag)
check_cxx_compiler_flag(-mno-amx-tile HAS_AMX_OPTION)
if(HAS_AMX_OPTION)
  add_compile_options(-mno-amx-tile -mno-amx-int8 -mno-amx-bf16)
endif()
