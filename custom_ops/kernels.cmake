# The sources of the kernels, which need nothing but a C++17 compiler. Sets `kernels`, the sources,
# and `kernel_definitions`.

include(CheckCXXCompilerFlag)

set(directory ${CMAKE_CURRENT_LIST_DIR}/kernels)
set(kernels
    ${directory}/binary.cc
    ${directory}/binary_scalar.cc
    ${directory}/broadcast.cc
    ${directory}/convolution.cc
    ${directory}/dispatch.cc
    ${directory}/dynamic_matmul.cc
    ${directory}/elementwise.cc
    ${directory}/functions.cc
    ${directory}/gemm.cc
    ${directory}/gemm_scalar.cc
    ${directory}/half_matmul.cc
    ${directory}/half_scalar.cc
    ${directory}/image_lines.cc
    ${directory}/int16_matmul.cc
    ${directory}/loops_scalar.cc
    ${directory}/matrix_product.cc
    ${directory}/packed_kernel.cc
    ${directory}/peak.cc
    ${directory}/pooling.cc
    ${directory}/scratch.cc
    ${directory}/sparse_kernel.cc
    ${directory}/sparse_matmul.cc
    ${directory}/sparse_scalar.cc)
set(kernel_definitions)

# The compiler vectorizes the loops of these files; nothing in them may trap or set errno.
set(vectorize -O3 -fno-math-errno -fno-trapping-math -Wno-psabi)
set_source_files_properties(${directory}/loops_scalar.cc PROPERTIES COMPILE_OPTIONS "${vectorize}")
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  set(kernel_definitions KERASOPT_X86)
  set(avx2 ${directory}/binary_avx2.cc ${directory}/gemm_avx2.cc ${directory}/half_avx2.cc ${directory}/peak_avx2.cc ${directory}/sparse_avx2.cc)
  set(avx512vnni ${directory}/binary_avx512vpopcntdq.cc ${directory}/depthwise_avx512vnni.cc ${directory}/gemm_avx512vnni.cc
                 ${directory}/half_avx512vnni.cc
                 ${directory}/peak_avx512vnni.cc ${directory}/sparse_avx512vnni.cc)
  list(APPEND kernels ${avx2} ${avx512vnni} ${directory}/loops_avx2.cc
       ${directory}/loops_avx512.cc)
  set(avx512 -mavx512f -mavx512bw -mavx512dq -mavx512vl)
  set_source_files_properties(${avx2} PROPERTIES COMPILE_OPTIONS "-mavx2;-mfma;-mf16c")
  # g++ 12 takes the undefined operands in its own AVX-512 header for uninitialized variables.
  set(avx512vnni_options ${avx512} -mavx512vnni -Wno-uninitialized -Wno-maybe-uninitialized)
  set_source_files_properties(${avx512vnni} PROPERTIES COMPILE_OPTIONS "${avx512vnni_options}")
  set_source_files_properties(
    ${directory}/binary_avx512vpopcntdq.cc
    PROPERTIES COMPILE_OPTIONS "${avx512vnni_options};-mavx512vpopcntdq")
  set_source_files_properties(${directory}/loops_avx2.cc PROPERTIES COMPILE_OPTIONS
                                                                    "${vectorize};-mavx2")
  set_source_files_properties(
    ${directory}/loops_avx512.cc PROPERTIES COMPILE_OPTIONS
                                            "${vectorize};${avx512};-mprefer-vector-width=512")
  # Compilers have -mavxvnni from g++ 11 and clang 12 on. AVX-512 has the same instruction in another
  # encoding, which the tests set AVXVNNI_AS_AVX512 for where a CPU has no AVX-VNNI.
  check_cxx_compiler_flag(-mavxvnni has_avxvnni)
  if(AVXVNNI_AS_AVX512)
    set(avxvnni_feature avx512vnni)
    set(avxvnni_options ${avx512vnni_options})
  elseif(has_avxvnni)
    set(avxvnni_feature avxvnni)
    set(avxvnni_options -mavxvnni)
  endif()
  if(avxvnni_feature)
    list(APPEND kernels ${directory}/gemm_avxvnni.cc)
    list(APPEND kernel_definitions KERASOPT_AVXVNNI="${avxvnni_feature}")
    set_source_files_properties(${directory}/gemm_avxvnni.cc PROPERTIES COMPILE_OPTIONS
                                                                        "${avxvnni_options}")
  endif()
elseif(CMAKE_SYSTEM_NAME STREQUAL "Linux" AND CMAKE_SYSTEM_PROCESSOR MATCHES "aarch64|arm64")
  set(kernel_definitions KERASOPT_NEONDOT)
  list(APPEND kernels ${directory}/gemm_neondot.cc)
  set_source_files_properties(${directory}/gemm_neondot.cc
                              PROPERTIES COMPILE_OPTIONS -march=armv8.2-a+dotprod)
endif()
