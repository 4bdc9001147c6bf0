# With -DQUANTPRESS_UNITY_BUILD=ON the files of a folder are compiled as one, which halves the time of builds that are only tested.
#
#   quantpress_unity_groups(target [SEPARATE file-or-folder...])     SEPARATE: compiled alone, because names of their own occur twice
function(quantpress_unity_groups target)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "SEPARATE")
  set_target_properties(${target} PROPERTIES UNITY_BUILD ${QUANTPRESS_UNITY_BUILD} UNITY_BUILD_MODE GROUP)
  get_target_property(sources ${target} SOURCES)
  foreach(source IN LISTS sources)
    file(RELATIVE_PATH name ${CMAKE_CURRENT_SOURCE_DIR} ${source})
    get_filename_component(folder ${name} DIRECTORY)
    if(NOT name MATCHES "^\\.\\." AND NOT name IN_LIST arg_SEPARATE AND NOT folder IN_LIST arg_SEPARATE)
      string(MAKE_C_IDENTIFIER "_${folder}" group)
      set_source_files_properties(${source} PROPERTIES UNITY_GROUP ${group})
    endif()
  endforeach()
endfunction()
