// CPU kernels of functions of int8 tensors: by a table, and along rows.

#include "kernels/elementwise/functions.h"

#include <cmath>

#include "op_support.h"

namespace kerasopt {
namespace {

// What all share: the output has the shape of x.
class FunctionKernel : public OpKernel {
 public:
  using OpKernel::OpKernel;

  void Compute(OpKernelContext* context) override {
    const Tensor& x = context->input(0);
    OP_REQUIRES_OK(context, Check(context));
    Tensor* y;
    OP_REQUIRES_OK(context, context->allocate_output(0, x.shape(), &y));
    if (x.NumElements() > 0) {
      Run(context, x.flat<int8_t>().data(), x.NumElements(), y->flat<int8_t>().data());
    }
  }

 protected:
  virtual Status Check(OpKernelContext* context) const = 0;
  virtual void Run(OpKernelContext* context, const int8_t* x, int64_t count, int8_t* out) const = 0;

  static int64_t RowSize(const Tensor& x) { return x.dim_size(x.dims() - 1); }
};

class LookUpOp : public FunctionKernel {
 public:
  using FunctionKernel::FunctionKernel;

 protected:
  Status Check(OpKernelContext* context) const override {
    return CheckVector("table", context->input(1).shape(), 256);
  }

  void Run(OpKernelContext* context, const int8_t* x, int64_t count, int8_t* out) const override {
    LookUp(x, count, context->input(1).flat<int8_t>().data(), out, DeviceThreads(context));
  }
};

class QuantizedSoftmaxOp : public FunctionKernel {
 public:
  using FunctionKernel::FunctionKernel;

 protected:
  Status Check(OpKernelContext* context) const override {
    const Tensor& table = context->input(1);
    TF_RETURN_IF_ERROR(CheckLastAxis(context->input(0).shape(), kLongestSoftmax));
    TF_RETURN_IF_ERROR(CheckVector("table", table.shape(), 256));
    const auto values = table.flat<int32_t>();
    for (int i = 0; i < 256; ++i) {
      if (values(i) < 0 || values(i) > values(0) || values(0) != kPowerOfZero) {
        return InvalidArgument("table must have exponentials, the first of which is ", kPowerOfZero,
                               " and the largest. Received: table[", i, "]=", values(i));
      }
    }
    return absl::OkStatus();
  }

  void Run(OpKernelContext* context, const int8_t* x, int64_t count, int8_t* out) const override {
    const int64_t size = RowSize(context->input(0));
    QuantizedSoftmax(x, count / size, size, context->input(1).flat<int32_t>().data(), out,
                     DeviceThreads(context));
  }
};

class QuantizedLayerNormalizationOp : public FunctionKernel {
 public:
  explicit QuantizedLayerNormalizationOp(OpKernelConstruction* context) : FunctionKernel(context) {
    OP_REQUIRES_OK(context, GetEpsilon(context, &epsilon_));
    OP_REQUIRES_OK(context,
                   GetZeroPoint<int8_t>(context, "output_zero_point", &output_zero_point_));
  }

 protected:
  Status Check(OpKernelContext* context) const override {
    const Tensor &x = context->input(0), &gain = context->input(1);
    TF_RETURN_IF_ERROR(CheckLastAxis(x.shape(), kLongestRow));
    TF_RETURN_IF_ERROR(CheckVector("gain", gain.shape(), RowSize(x)));
    TF_RETURN_IF_ERROR(CheckVector("offset", context->input(2).shape(), RowSize(x)));
    const auto values = gain.flat<float>();
    for (int64_t i = 0; i < values.size(); ++i) {
      if (!std::isfinite(values(i))) {
        return InvalidArgument("gain must be finite. Received: gain[", i, "]=", values(i));
      }
    }
    return absl::OkStatus();
  }

  void Run(OpKernelContext* context, const int8_t* x, int64_t count, int8_t* out) const override {
    const int64_t size = RowSize(context->input(0));
    const Normalization normalization = {context->input(1).flat<float>().data(),
                                         context->input(2).flat<int32_t>().data(), epsilon_,
                                         output_zero_point_};
    QuantizedLayerNormalization(x, count / size, size, normalization, out, DeviceThreads(context));
  }

 private:
  float epsilon_;
  int32_t output_zero_point_;
};

KERASOPT_REGISTER_CPU("KerasoptLookUp", LookUpOp);
KERASOPT_REGISTER_CPU("KerasoptQuantizedSoftmax", QuantizedSoftmaxOp);
KERASOPT_REGISTER_CPU("KerasoptQuantizedLayerNormalization", QuantizedLayerNormalizationOp);

}  // namespace
}  // namespace kerasopt
