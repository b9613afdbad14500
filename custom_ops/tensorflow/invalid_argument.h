#ifndef KERASOPT_TENSORFLOW_INVALID_ARGUMENT_H_
#define KERASOPT_TENSORFLOW_INVALID_ARGUMENT_H_

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace kerasopt {

// InvalidArgumentError whose message is the concatenation of the arguments.
template <typename... Parts>
absl::Status InvalidArgument(const Parts&... parts) {
  return absl::InvalidArgumentError(absl::StrCat(parts...));
}

}  // namespace kerasopt

#endif  // KERASOPT_TENSORFLOW_INVALID_ARGUMENT_H_
