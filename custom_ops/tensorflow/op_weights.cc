#include "op_weights.h"

namespace kerasopt {

bool IsSame(const PackedShape& a, const PackedShape& b) {
  return a.groups == b.groups && a.runs == b.runs && a.depth == b.depth &&
         a.columns == b.columns && a.format == b.format;
}

}  // namespace kerasopt
