# The sources of the kernels, which need nothing but a C++17 compiler. Sets `kernels`, the sources,
# and `kernel_definitions`.

include(CheckCXXCompilerFlag)

set(kernels)
set(kernel_definitions)

function(add_kernels)
  cmake_parse_arguments(PARSE_ARGV 0 arg "" "" "FILES;OPTIONS")
  list(TRANSFORM arg_FILES PREPEND ${CMAKE_CURRENT_FUNCTION_LIST_DIR}/kernels/)
  set_source_files_properties(${arg_FILES} PROPERTIES COMPILE_OPTIONS "${arg_OPTIONS}")
  set(kernels ${kernels} ${arg_FILES} PARENT_SCOPE)
endfunction()

# The compiler vectorizes these loops; nothing in them may trap or set errno.
set(loops -O3 -fno-math-errno -fno-trapping-math -Wno-psabi)

add_kernels(
  FILES binary/binary.cc
        binary/scalar.cc
        common/broadcast.cc
        common/image_lines.cc
        common/scratch.cc
        depthwise/depthwise.cc
        dispatch.cc
        elementwise/elementwise.cc
        elementwise/functions.cc
        gemm/convolution.cc
        gemm/dynamic_matmul.cc
        gemm/gemm.cc
        gemm/int16_matmul.cc
        gemm/packed_kernel.cc
        gemm/scalar.cc
        half/half_matmul.cc
        half/scalar.cc
        matrix_product/matrix_product.cc
        peak/peak.cc
        pooling/pooling.cc
        sparse/scalar.cc
        sparse/sparse_kernel.cc
        sparse/sparse_matmul.cc
        weight_only/scalar.cc
        weight_only/weight_only.cc)
add_kernels(FILES loops/scalar.cc OPTIONS ${loops})

if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  list(APPEND kernel_definitions KERASOPT_X86)
  add_kernels(FILES binary/avx2.cc gemm/avx2.cc half/avx2.cc peak/avx2.cc sparse/avx2.cc
                    weight_only/avx2.cc
              OPTIONS -mavx2 -mfma -mf16c)
  add_kernels(FILES loops/avx2.cc OPTIONS ${loops} -mavx2)

  set(avx512 -mavx512f -mavx512bw -mavx512dq -mavx512vl)
  # g++ 12 takes the undefined operands in its own AVX-512 header for uninitialized variables.
  set(avx512vnni ${avx512} -mavx512vnni -Wno-uninitialized -Wno-maybe-uninitialized)
  add_kernels(FILES depthwise/avx512vnni.cc gemm/avx512vnni.cc half/avx512vnni.cc
                    peak/avx512vnni.cc sparse/avx512vnni.cc weight_only/avx512vnni.cc
              OPTIONS ${avx512vnni})
  add_kernels(FILES binary/avx512vpopcntdq.cc OPTIONS ${avx512vnni} -mavx512vpopcntdq)
  add_kernels(FILES loops/avx512.cc OPTIONS ${loops} ${avx512vnni} -mprefer-vector-width=512)

  # Compilers have -mavxvnni from g++ 11 and clang 12 on. AVX-512 has the same instruction in another
  # encoding, which the tests set AVXVNNI_AS_AVX512 for where a CPU has no AVX-VNNI.
  check_cxx_compiler_flag(-mavxvnni has_avxvnni)
  if(AVXVNNI_AS_AVX512)
    list(APPEND kernel_definitions KERASOPT_AVXVNNI="avx512vnni")
    add_kernels(FILES gemm/avxvnni.cc OPTIONS ${avx512vnni})
  elseif(has_avxvnni)
    list(APPEND kernel_definitions KERASOPT_AVXVNNI="avxvnni")
    add_kernels(FILES gemm/avxvnni.cc OPTIONS -mavxvnni)
  endif()
elseif(CMAKE_SYSTEM_NAME STREQUAL "Linux" AND CMAKE_SYSTEM_PROCESSOR MATCHES "aarch64|arm64")
  list(APPEND kernel_definitions KERASOPT_NEONDOT)
  add_kernels(FILES gemm/neondot.cc OPTIONS -march=armv8.2-a+dotprod)
endif()
