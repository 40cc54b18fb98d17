# find_package(signbit) defines signbit::signbit (shared) and signbit::static.
include(CMakeFindDependencyMacro)
find_dependency(Threads)
include("${CMAKE_CURRENT_LIST_DIR}/signbitTargets.cmake")
