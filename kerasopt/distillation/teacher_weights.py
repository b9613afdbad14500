def confidence_weights(outputs, labels, kinds):
    return [1 / len(outputs)] * len(outputs)
