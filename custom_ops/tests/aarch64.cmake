# Toolchain of the tests for AArch64, which run in an emulator where a machine is another:
#
#   cmake -S custom_ops/tests -B build -D CMAKE_TOOLCHAIN_FILE=aarch64.cmake -D GTEST_SOURCE=...
#   cmake --build build && qemu-aarch64 -cpu max build/kernel_tests

set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_CXX_COMPILER aarch64-linux-gnu-g++)
# The emulator finds no libraries of AArch64.
set(CMAKE_EXE_LINKER_FLAGS_INIT -static)
