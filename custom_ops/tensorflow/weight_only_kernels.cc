// CPU kernel of the products with packed integers.

#include "kernels/weight_only/weight_only.h"
#include "op_support.h"
#include "weight_only_attributes.h"

namespace kerasopt {
namespace {

class WeightOnlyMatMulOp : public OpKernel {
 public:
  explicit WeightOnlyMatMulOp(OpKernelConstruction* context) : OpKernel(context) {
    OP_REQUIRES_OK(context, attributes_.Init(context));
  }

  void Compute(OpKernelContext* context) override {
    const Tensor &packed = context->input(1), &scale = context->input(2),
                 &zero_point = context->input(3);
    WeightOnlyProduct product = {};
    OP_REQUIRES_OK(context, attributes_.Check(packed.shape(), scale.shape(), zero_point.shape(),
                                              &product.scale_rows));
    Tensor* y;
    const int64_t columns = attributes_.matrices() * attributes_.columns();
    OP_REQUIRES_OK(context,
                   AllocateProduct(context, attributes_.depth(), columns, &product.rows, &y));
    if (y->NumElements() == 0) return;
    product.x = context->input(0).flat<float>().data();
    product.packed = packed.flat<uint8_t>().data();
    product.scale = scale.flat<float>().data();
    product.zero_point = zero_point.flat<int8_t>().data();
    product.depth = attributes_.depth();
    product.columns = attributes_.columns();
    product.group = attributes_.group();
    product.bits = attributes_.bits();
    product.transposed = attributes_.transposed();
    product.out = y->flat<float>().data();
    product.out_stride = columns;
    WeightOnlyMatMul(product, attributes_.matrices(), DeviceThreads(context));
  }

 private:
  WeightOnlyAttributes attributes_;
};

KERASOPT_REGISTER_CPU("KerasoptWeightOnlyMatMul", WeightOnlyMatMulOp);

}  // namespace
}  // namespace kerasopt
