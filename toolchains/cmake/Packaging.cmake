# Installation, the CMake package for others, and .deb and .tar.gz packages.
include(CMakePackageConfigHelpers)

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/quantpress)
install(TARGETS quantpress EXPORT quantpressTargets
        ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(EXPORT quantpressTargets NAMESPACE quantpress:: DESTINATION ${package_dir})
configure_package_config_file(${CMAKE_CURRENT_LIST_DIR}/quantpressConfig.cmake.in
  ${PROJECT_BINARY_DIR}/quantpressConfig.cmake INSTALL_DESTINATION ${package_dir})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/quantpressConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/quantpressConfig.cmake ${PROJECT_BINARY_DIR}/quantpressConfigVersion.cmake
        DESTINATION ${package_dir})

# The public interface and nothing else: <quantpress/quantpress.h> and <quantpress/quantpress_c.h>.
install(FILES ${PROJECT_SOURCE_DIR}/graph/api/quantpress.h ${PROJECT_SOURCE_DIR}/graph/api/quantpress_c.h
        DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/quantpress)
install(DIRECTORY ${PROJECT_SOURCE_DIR}/docs/examples DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(FILES ${PROJECT_SOURCE_DIR}/README.md ${PROJECT_SOURCE_DIR}/CHANGELOG.md ${PROJECT_SOURCE_DIR}/LICENSE
        DESTINATION ${CMAKE_INSTALL_DOCDIR})

# Under this name the program takes MNNConvert's command lines.
install(CODE "file(CREATE_LINK quantpress
                   \"\$ENV{DESTDIR}\${CMAKE_INSTALL_PREFIX}/${CMAKE_INSTALL_BINDIR}/MNNConvert\" SYMBOLIC)")

# The manual page and the shells' completions come from the program's own table of options.
set(manual_files)
function(quantpress_generated_text kind name destination)
  set(file ${PROJECT_BINARY_DIR}/manual/${name})
  add_custom_command(OUTPUT ${file}
    COMMAND ${CMAKE_COMMAND} -E make_directory ${PROJECT_BINARY_DIR}/manual
    COMMAND quantpress_cli generate ${kind} > ${file}
    DEPENDS quantpress_cli VERBATIM)
  install(FILES ${file} DESTINATION ${destination})
  set(manual_files ${manual_files} ${file} PARENT_SCOPE)
endfunction()
quantpress_generated_text(man quantpress.1 ${CMAKE_INSTALL_MANDIR}/man1)
quantpress_generated_text(bash quantpress ${CMAKE_INSTALL_DATADIR}/bash-completion/completions)
quantpress_generated_text(zsh _quantpress ${CMAKE_INSTALL_DATADIR}/zsh/site-functions)
quantpress_generated_text(fish quantpress.fish ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d)
add_custom_target(quantpress_manual ALL DEPENDS ${manual_files})

# Debian's names of the architectures.
if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(aarch64|arm64)$")
  set(architecture arm64)
else()
  set(architecture amd64)
endif()
set(CPACK_GENERATOR DEB TGZ)
set(CPACK_PACKAGE_NAME quantpress)
set(CPACK_PACKAGE_VENDOR quantpress)
set(CPACK_PACKAGE_CONTACT "quantpress developers <quantpress@localhost>")
set(CPACK_PACKAGE_FILE_NAME quantpress_${PROJECT_VERSION}_${architecture})
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY ${PROJECT_DESCRIPTION})
set(CPACK_RESOURCE_FILE_LICENSE ${PROJECT_SOURCE_DIR}/LICENSE)
set(CPACK_STRIP_FILES ON)
set(CPACK_DEBIAN_PACKAGE_ARCHITECTURE ${architecture})
set(CPACK_DEBIAN_PACKAGE_SECTION science)
# Written out, because the tool that finds them does not know the packages of a foreign architecture. A test compares
# them with what the program is linked against.
set(CPACK_DEBIAN_PACKAGE_DEPENDS
  "libabsl20220623, libc6 (>= 2.36), libfmt9, libgcc-s1, libhwy1, libstdc++6 (>= 12), libtbb12")
set(CPACK_DEBIAN_PACKAGE_SUGGESTS "libabsl-dev, libfmt-dev, libhwy-dev, libtbb-dev, pkg-config")
include(CPack)
